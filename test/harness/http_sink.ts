// Takes uploads over HTTP on loopback and throws them away; writes its port. A process of its own, for benchmarks.
import http from "node:http";
import type { AddressInfo } from "node:net";

const server = http.createServer((request, response) => {
  request.resume();
  request.on("end", () => response.end());
});
server.listen(0, "127.0.0.1", () => console.log(`port ${(server.address() as AddressInfo).port}`));
