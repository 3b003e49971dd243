// New SSH keys.
import ssh2 from "ssh2";

/** A key pair in OpenSSH's formats: the private key's file, and the public key as one line without a comment. */
export interface SshKeyPair {
  readonly privateKey: string;
  readonly publicKey: string;
}

const BITS = { ed25519: 0, ecdsa: 256, rsa: 2048 } as const;

/** Makes a key: ed25519, ECDSA P-256 or RSA 2048. */
export async function generateSshKey(type: keyof typeof BITS): Promise<SshKeyPair> {
  while (true) {
    const pair = await generate(type);
    // The library drops leading zero bytes of an ed25519 key's public half: one in 256 comes out broken.
    if (!(ssh2.utils.parseKey(pair.privateKey) instanceof Error)) return pair;
  }
}

function generate(type: keyof typeof BITS): Promise<SshKeyPair> {
  return new Promise((resolve, reject) => {
    ssh2.utils.generateKeyPair(type as "rsa", { bits: BITS[type] }, (error, pair) => {
      if (error) reject(error);
      else resolve({ privateKey: pair.private, publicKey: pair.public });
    });
  });
}
