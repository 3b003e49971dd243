import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { prometheusPort } from "./metric_reader.ts";

describe("the port for a Prometheus", () => {
  for (const { value, port, isTold } of [
    { value: undefined, port: 9464, isTold: false },
    { value: "", port: 9464, isTold: false },
    { value: " 9500 ", port: 9500, isTold: false },
    { value: "65535", port: 65535, isTold: false },
    { value: "65536", port: 9464, isTold: true },
    { value: "0", port: 9464, isTold: true },
    { value: "9464/tcp", port: 9464, isTold: true },
  ]) {
    it(`is ${port} for ${value === undefined ? "no variable" : `"${value}"`}${isTold ? ", which is told" : ""}`, () => {
      const lines: string[] = [];
      const env = { OTEL_EXPORTER_PROMETHEUS_PORT: value };
      assert.equal(
        prometheusPort(env, (line) => lines.push(line)),
        port,
      );
      const told = isTold
        ? [
            `OTEL_EXPORTER_PROMETHEUS_PORT is "${value}"; it must be a port, as 9464, which is taken instead\n`,
          ]
        : [];
      assert.deepEqual(lines, told);
    });
  }
});
