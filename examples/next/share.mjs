import { build } from 'peer-cdn/build';

const { files } = await build('out');
console.log(`${files} files may be shared`);
