// Checks a peer's certificate against an authority, on top of what the runtime does: Deno 2.9.3 accepts a certificate
// whose issuer has the authority's name but not its key (it drops the signature error on the way to node:tls).
import { Buffer } from "node:buffer";
import { X509Certificate } from "node:crypto";
import type { DetailedPeerCertificate } from "node:tls";

const LONGEST_CHAIN = 8;

/**
 * Expects that a chain of valid signatures leads from the peer's certificate to one of the authority's.
 *
 * @param authority one or more certificates in PEM
 * @param now milliseconds since the epoch
 * @throws {Error} saying which certificate is not signed by whom
 */
export function requireIssuedBy(peer: DetailedPeerCertificate, authority: Buffer, now: number): void {
  const trusted = certificatesOf(authority);
  let link: DetailedPeerCertificate | undefined = peer;
  for (let depth = 0; depth < LONGEST_CHAIN && link?.raw !== undefined; depth += 1) {
    const certificate = new X509Certificate(link.raw);
    requireValid(certificate, now);
    if (trusted.some((root) => root.raw.equals(certificate.raw) || isSignedBy(certificate, root))) return;
    const issuer: DetailedPeerCertificate | undefined = link.issuerCertificate;
    if (issuer?.raw === undefined || Buffer.from(issuer.raw).equals(link.raw)) break;
    const signer = new X509Certificate(issuer.raw);
    if (!signer.ca || !isSignedBy(certificate, signer)) break;
    link = issuer;
  }
  const subject = new X509Certificate(peer.raw).subject.replaceAll("\n", ", ");
  throw new Error(`the server's certificate (${subject}) is not signed by the given authority`);
}

function isSignedBy(certificate: X509Certificate, signer: X509Certificate): boolean {
  return certificate.checkIssued(signer) && certificate.verify(signer.publicKey);
}

function requireValid(certificate: X509Certificate, now: number): void {
  const [from, to] = [Date.parse(certificate.validFrom), Date.parse(certificate.validTo)];
  if (now >= from && now <= to) return;
  const subject = certificate.subject.replaceAll("\n", ", ");
  throw new Error(
    `the certificate (${subject}) is valid from ${certificate.validFrom} to ${certificate.validTo}`,
  );
}

function certificatesOf(pem: Buffer): X509Certificate[] {
  const blocks = pem.toString("latin1").match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g);
  return (blocks ?? []).map((block) => new X509Certificate(block));
}
