// A private certificate authority for tests, made with openssl.
import { execFile } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** PEM files; `bundle` holds key and certificate in one. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
  readonly bundle: string;
}

/** Makes an authority and a certificate of it for each name, all in `directory`. */
export async function makeCertificates(directory: string, names: readonly string[]): Promise<Certificate[]> {
  await mkdir(directory, { recursive: true });
  const at = (file: string) => join(directory, file);
  const [ca, caKey] = [at("ca.pem"), at("ca.key")];
  const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  await run("openssl", [
    ...["req", "-x509", ...newKey, "-keyout", caKey, "-out", ca, "-days", "2", "-subj", "/CN=test authority"],
    ...["-addext", "keyUsage=critical,keyCertSign"],
  ]);
  const certificates: Certificate[] = [];
  for (const name of names) {
    const [key, request, cert] = [at(`${name}.key`), at(`${name}.csr`), at(`${name}.pem`)];
    await run("openssl", ["req", ...newKey, "-keyout", key, "-out", request, "-subj", `/CN=${name}`]);
    const sign = [
      "x509",
      "-req",
      "-in",
      request,
      "-CA",
      ca,
      "-CAkey",
      caKey,
      "-CAcreateserial",
      "-days",
      "2",
    ];
    await run("openssl", [...sign, "-out", cert]);
    const bundle = at(`${name}-bundle.pem`);
    const { stdout } = await run("cat", [key, cert]);
    await writeFile(bundle, stdout);
    certificates.push({ cert, key, ca, bundle });
  }
  return certificates;
}
