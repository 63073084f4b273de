// Serves a network that `dartsmith export` wrote: node serve.js network.onnx, then
//   curl --data-binary @image localhost:8080      # one byte a pixel, channel after channel; answers with the class
import { createServer } from 'node:http';
import { InferenceSession, Tensor } from 'onnxruntime-node';

const session = await InferenceSession.create(process.argv[2] ?? 'network.onnx');
const [, ...shape] = session.inputMetadata[0].shape;
const server = createServer(async (request, response) => {
  const pixels = Float32Array.from(Buffer.concat(await request.toArray()), (byte) => byte / 255);
  const { logits } = await session.run({ images: new Tensor('float32', pixels, [1, ...shape]) });
  response.end(`${logits.data.indexOf(Math.max(...logits.data))}\n`);
});
server.listen(process.argv[3] ?? 8080, () => console.log(`serving on port ${server.address().port}`));
