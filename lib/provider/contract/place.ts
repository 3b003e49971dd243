// The place that a provider is tested against, and what its tests share.
import assert from "node:assert/strict";
import {
  type ImageSpec,
  type Instance,
  type InstanceSpec,
  type Leftover,
  METADATA,
  type Metadata,
  type Provider,
} from "../contract.ts";

/** How the place can be made to misbehave. What is absent cannot be brought about there, and is not tested. */
export interface PlaceFaults {
  /** The next create makes the instance, and its caller hears an error. */
  readonly loseCreateReply?: () => Promise<void> | void;
  /** The next delete removes the instance, and its caller hears an error. */
  readonly loseDeleteReply?: () => Promise<void> | void;
  /** The next call of any kind is refused for being one too many, as with HTTP's 429. */
  readonly refuseNextCall?: () => Promise<void> | void;
  /** The next instance ends as failed instead of running. */
  readonly failNextBoot?: () => Promise<void> | void;
  /** No further instance fits; the function that is returned makes room again. */
  readonly exhaustQuota?: () => Promise<() => Promise<void> | void> | (() => Promise<void> | void);
  /** No call is answered until the function that is returned is called. */
  readonly hang?: () => Promise<() => Promise<void> | void> | (() => Promise<void> | void);
  /** Puts an instance there that is not ours, with this metadata; its external id. */
  readonly addForeignInstance?: (metadata: Metadata) => Promise<string> | string;
  readonly addForeignImage?: (metadata: Metadata) => Promise<string> | string;
  /** Leaves something behind that carries this metadata. */
  readonly addLeftover?: (metadata: Metadata) => Promise<Leftover> | Leftover;
}

/** A place to test against. */
export interface ProviderUnderTest {
  /** Started; with the pool "main" and the label "small". */
  readonly provider: Provider;
  /** A root file system with the user and an SSH server, and what it says in /etc/image-mark. */
  readonly image: { readonly path: string; readonly format: string; readonly mark: string };
  readonly username: string;
  /** A private key that the image lets in, in OpenSSH's format; anything for a place that lets nobody in. */
  readonly privateKey: string;
  /** What can be made to go wrong. */
  readonly faults?: PlaceFaults;
  /** The image to launch from where none can be uploaded. */
  readonly imageExternalId?: string;
  /** What has to be cleaned up when all tests are done. */
  close(): Promise<void>;
}

/** What a place can do; said before it is opened. */
export interface Abilities {
  /** Whether it takes images. @default true */
  readonly images?: boolean;
  /** Whether one can log in to its instances. @default true */
  readonly login?: boolean;
  /** The faults that it can be given: keys of {@link PlaceFaults}. @default none */
  readonly faults?: readonly (keyof PlaceFaults)[];
}

/** Opened before the first test and closed after the last. */
export class Place {
  readonly #open: () => Promise<ProviderUnderTest>;
  readonly #abilities: Abilities;
  #under: ProviderUnderTest | undefined;
  #image = "";
  #launches = 0;

  constructor(open: () => Promise<ProviderUnderTest>, abilities: Abilities) {
    this.#open = open;
    this.#abilities = abilities;
  }

  async open(): Promise<void> {
    const under = await this.#open();
    this.#under = under;
    this.#image =
      this.#abilities.images === false
        ? (under.imageExternalId ?? "")
        : await under.provider.uploadImage(this.imageSpec("0000000001"), this.signal());
  }

  async close(): Promise<void> {
    if (this.#under === undefined) return;
    for (const instance of await this.provider.listInstances(this.signal())) await this.remove(instance);
    for (const { externalId } of await this.provider.listImages(this.signal())) {
      await this.provider.deleteImage(externalId, this.signal());
    }
    await this.#under.close();
  }

  /** The place itself. */
  get under(): ProviderUnderTest {
    assert.ok(this.#under, "the place was not opened");
    return this.#under;
  }

  get provider(): Provider {
    return this.under.provider;
  }

  /** One of the faults that the place has said to have. */
  fault<Name extends keyof PlaceFaults>(name: Name): NonNullable<PlaceFaults[Name]> {
    const fault = this.under.faults?.[name];
    assert.ok(fault, `the place was declared to have the fault ${name}`);
    return fault;
  }

  signal(): AbortSignal {
    return AbortSignal.timeout(60_000);
  }

  imageSpec(build: string): ImageSpec {
    return {
      name: `img-${build}`,
      path: this.under.image.path,
      format: this.under.image.format,
      md5: null,
      sha256: null,
      metadata: {
        [METADATA.provider]: this.provider.name,
        [METADATA.image]: "img",
        [METADATA.build]: build,
        [METADATA.upload]: "0000000001",
      },
    };
  }

  /** A launch of a node of its own. */
  instanceSpec(changes: Partial<InstanceSpec> = {}): InstanceSpec {
    this.#launches += 1;
    const node = `${this.#launches}`.padStart(10, "0");
    return {
      name: `np${node}`,
      pool: "main",
      label: "small",
      imageExternalId: this.#image,
      username: this.under.username,
      az: null,
      request: null,
      metadata: {
        [METADATA.provider]: this.provider.name,
        [METADATA.pool]: "main",
        [METADATA.node]: node,
        [METADATA.image]: "img",
        [METADATA.launchToken]: `token-${this.#launches}`,
      },
      ...changes,
    };
  }

  create(spec: InstanceSpec): Promise<Instance> {
    return this.provider.createInstance(spec, async () => {}, this.signal());
  }

  remove(instance: Pick<Instance, "externalId">): Promise<void> {
    return this.provider.deleteInstance(instance.externalId, this.signal());
  }

  /** Our instances of this name. */
  async named(name: string): Promise<Instance[]> {
    return (await this.provider.listInstances(this.signal())).filter((instance) => instance.name === name);
  }
}
