import { start } from 'peer-cdn';
import * as three from 'three';
import { GLTFLoader } from 'three/addons/loaders/GLTFLoader.js';

const peers = await start({ worker: '/sw.js' });

peers.addEventListener('transfer', ({ detail }) => {
  if (!detail.done) return;
  document.querySelector('#from').textContent = `${detail.fromPeers} bytes from peers, ${detail.fromOrigin} from the origin`;
});

const { scene: rock } = await new GLTFLoader().loadAsync('/models/rock.glb');
rock.traverse((part) => {
  if (!part.isMesh) return;
  part.geometry.computeVertexNormals();
  part.material = new three.MeshNormalMaterial();
});

const scene = new three.Scene();
scene.add(rock);
const camera = new three.PerspectiveCamera(45, 640 / 480, 0.1, 10);
camera.position.z = 3;
const renderer = new three.WebGLRenderer({ canvas: document.querySelector('canvas') });
renderer.setAnimationLoop((time) => {
  rock.rotation.y = time / 4000;
  renderer.render(scene, camera);
});
