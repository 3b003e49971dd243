import { followOutage, STREAM_PATIENCE_MS } from "../../../lib/daemon/outage.ts";
import { ChangeFeed } from "../../../lib/rpc/change_feed.ts";
import type { WatchImagesRequest, WatchImagesResponse } from "../../../lib/rpc/gen/nodepool/v1/image.ts";
import { formatName } from "../../../lib/rpc/names.ts";
import { currentView, type ImageApi, imageNames, imageSource } from "./api.ts";
import { IMAGE_NAME, toBuild, toImage, toUpload } from "./convert.ts";

type ImageEvent = NonNullable<WatchImagesResponse["event"]>;

/** Turns changes of the view and of the board into events, and serves them to watchers. */
export class ImageFeed {
  readonly #api: ImageApi;
  /** Its subjects are resource names. */
  readonly #feed: ChangeFeed<string, ImageEvent>;
  /** What was published last, by resource name. */
  readonly #published = new Map<string, ImageEvent>();
  /** The resource names of each image. */
  readonly #names = new Map<string, Iterable<string>>();
  readonly #changed = new Set<string>();
  readonly #ending = new AbortController();
  readonly #stops: (() => void)[];

  constructor(api: ImageApi) {
    this.#api = api;
    const tell = (name: string): ImageEvent => this.#published.get(name) ?? { $case: "deleted", value: name };
    this.#feed = new ChangeFeed({ tell, clock: api.context.clock });
    const { view } = api.context;
    this.#stops = [
      view.subscribe(({ kind, id }) => {
        if (kind === "image") this.#note(id);
      }),
      api.board.onChange((image) => this.#note(image)),
    ];
    for (const image of imageNames(api)) this.#publish(image);
  }

  /** Ends every watch; a client goes on at another builder. */
  close(): void {
    for (const stop of this.#stops) stop();
    this.#ending.abort();
  }

  /**
   * Everything, a bookmark, then each change; or with a token, the changes since.
   *
   * @throws UNAVAILABLE when it cannot hear of changes: another builder may
   */
  async *watch(
    { resumeToken }: WatchImagesRequest,
    signal: AbortSignal,
  ): AsyncGenerator<WatchImagesResponse, void, void> {
    currentView(this.#api);
    this.#flush();
    const end = AbortSignal.any([signal, this.#ending.signal]);
    const outage = followOutage(this.#api, STREAM_PATIENCE_MS, end);
    const items = this.#feed.watch({
      resumeToken,
      signal: outage.signal,
      snapshot: () => [...imageNames(this.#api)].sort().flatMap((image) => [...this.#events(image).values()]),
    });
    try {
      for await (const { event, bookmark, token } of items) {
        if (event !== undefined) yield { event, resumeToken: token };
        else yield { event: { $case: "bookmark", value: bookmark }, resumeToken: token };
      }
      if (!end.aborted) outage.signal.throwIfAborted();
    } finally {
      outage.stop();
    }
  }

  /** Changes that come in one turn are published together. */
  #note(image: string): void {
    this.#changed.add(image);
    if (this.#changed.size === 1) setImmediate(() => this.#flush());
  }

  #flush(): void {
    const changed = [...this.#changed];
    this.#changed.clear();
    for (const image of changed) this.#publish(image);
  }

  #publish(image: string): void {
    const events = this.#events(image);
    for (const [name, event] of events) {
      const before = this.#published.get(name);
      this.#published.set(name, event);
      if (JSON.stringify(before) !== JSON.stringify(event)) this.#feed.publish(name);
    }
    for (const name of this.#names.get(image) ?? []) {
      if (!events.has(name) && this.#published.delete(name)) this.#feed.publish(name);
    }
    if (events.size > 0) this.#names.set(image, [...events.keys()]);
    else this.#names.delete(image);
  }

  /** Everything that there is of an image, by resource name. */
  #events(image: string): Map<string, ImageEvent> {
    const events = new Map<string, ImageEvent>();
    const source = imageSource(this.#api, image);
    if (source === null) return events;
    events.set(formatName(IMAGE_NAME, { image }), { $case: "image", value: toImage(source) });
    for (const build of source.entry?.builds ?? []) {
      const value = toBuild(build, this.#api.board.phases(build.build));
      events.set(value.name, { $case: "build", value });
      for (const upload of build.uploads) {
        const uploaded = toUpload(upload);
        events.set(uploaded.name, { $case: "upload", value: uploaded });
      }
    }
    return events;
  }
}
