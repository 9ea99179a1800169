import { createServer } from 'node:http';
import express from 'express';
import { attach } from 'peer-cdn/server';

const app = express();
app.use('/peer-cdn', express.static('node_modules/peer-cdn/dist/browser'));
app.use('/three', express.static('node_modules/three'));
app.use(express.static('site'));

const server = createServer(app);
attach(server);
const port = process.env.PORT ?? 8080;
server.listen(port, '127.0.0.1', () => console.log(`http://localhost:${port}/`));
