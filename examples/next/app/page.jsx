import { Points } from './points.jsx';

export default function Page() {
  return (
    <>
      <h1>peer-cdn with Next</h1>
      <Points url="/points.bin" />
    </>
  );
}
