// Every command: its words, its help, and the file that holds it. A file is loaded only when its command is used.
import type { Command } from "./context.ts";

/** An option of a command: flags as commander has them, and its help. */
export interface OptionSpec {
  readonly flags: string;
  readonly help: string;
  readonly required?: boolean;
}

/** A command of `nodepool`. */
export interface CommandSpec {
  /** The command's word and its arguments, as `hold <id>`. */
  readonly words: string;
  readonly help: string;
  readonly options?: readonly OptionSpec[];
  /** Whether it reads the configuration's files; others ignore the flags that name them. */
  readonly readsConfig?: boolean;
  /** More help, below. */
  readonly after?: string;
  readonly load: () => Promise<{ readonly run: Command }>;
}

const IDENTITY: OptionSpec = {
  flags: "-i, --identity <file>",
  help: "private key to log in with (default: NODEPOOL_SSH_KEY, else ssh's own choice)",
};

const CONFIG_FILES: readonly OptionSpec[] = [
  { flags: "-c <file>", help: "the configuration (default: /etc/nodepool/nodepool.yaml)" },
  { flags: "-s <file>", help: "the secure file" },
];

export const COMMANDS: readonly CommandSpec[] = [
  {
    words: "list",
    help: "list nodes",
    options: [{ flags: "--detail", help: "show all columns" }],
    load: () => import("./command/list.ts"),
  },
  {
    words: "image-list",
    help: "list uploads: images at the providers",
    load: () => import("./command/image_list.ts"),
  },
  {
    words: "dib-image-list",
    help: "list builds: images on the builders",
    load: () => import("./command/dib_image_list.ts"),
  },
  {
    words: "image-status",
    help: "list images with what is asked of them",
    load: () => import("./command/image_status.ts"),
  },
  {
    words: "image-build <image>",
    help: "build an image now",
    load: () => import("./command/image_build.ts"),
  },
  {
    words: "image-pause <image>",
    help: "stop builds of an image",
    load: () => import("./command/image_pause.ts"),
  },
  {
    words: "image-unpause <image>",
    help: "allow builds of an image again",
    load: () => import("./command/image_unpause.ts"),
  },
  {
    words: "image-delete",
    help: "delete one upload at its provider",
    options: [
      { flags: "--provider <provider>", help: "provider name", required: true },
      { flags: "--image <image>", help: "image name", required: true },
      { flags: "--build-id <id>", help: "build id, as image-list shows it", required: true },
      { flags: "--upload-id <id>", help: "upload id, as image-list shows it", required: true },
    ],
    load: () => import("./command/image_delete.ts"),
  },
  {
    words: "dib-image-delete <id>",
    help: "delete a build (IMAGE-BUILD, as dib-image-list shows it) and all its uploads",
    load: () => import("./command/dib_image_delete.ts"),
  },
  {
    words: "build-cancel <id>",
    help: "end a running build (IMAGE-BUILD)",
    load: () => import("./command/build_cancel.ts"),
  },
  {
    words: "build-log <id>",
    help: "show the log of a build (IMAGE-BUILD), or of the newest build of an image (IMAGE)",
    options: [{ flags: "-f, --follow", help: "go on until the build has ended" }],
    load: () => import("./command/build_log.ts"),
  },
  {
    words: "build-history [image]",
    help: "show what became of builds, also of those that are gone",
    load: () => import("./command/build_history.ts"),
  },
  {
    words: "export-image-data <path>",
    help: "write the records of builds and uploads to a file",
    load: () => import("./command/export_image_data.ts"),
  },
  {
    words: "import-image-data <path>",
    help: "write the records of such a file back, into a ZooKeeper without these images",
    load: () => import("./command/import_image_data.ts"),
  },
  {
    words: "hold <id>",
    help: "keep a node; one in use is held when it is returned",
    options: [
      { flags: "--reason <text>", help: "why, shown in listings" },
      { flags: "--expires <time>", help: "let it go after 90s, 10m, 2h or 1d" },
    ],
    load: () => import("./command/hold.ts"),
  },
  {
    words: "unhold <id>",
    help: "end a hold: the node is deleted; one in use is not held when it is returned",
    load: () => import("./command/unhold.ts"),
  },
  {
    words: "console-log <id>",
    help: "show what a node's machine has written to its console, where its provider keeps it",
    load: () => import("./command/console_log.ts"),
  },
  {
    words: "delete <id>",
    help: "delete a node, also one in use",
    options: [{ flags: "--now", help: "wait until it is gone" }],
    load: () => import("./command/delete.ts"),
  },
  {
    words: "request-list",
    help: "list node requests",
    load: () => import("./command/request_list.ts"),
  },
  {
    words: "request <labels...>",
    help: "get a node of each label and keep them until Ctrl-C",
    options: [
      IDENTITY,
      {
        flags: "--provider <provider>",
        help: "from this provider, as long as one of its pools can serve them",
      },
      { flags: "--requestor <name>", help: "who asks (default: cli:USER)" },
      {
        flags: "--lease <time>",
        help: "lease without a sign of life, at most 1d (default 60s; 1h with --detach)",
      },
      { flags: "--detach", help: "leave when the nodes are there; they go back when the lease ends" },
    ],
    after: `
With -- COMMAND, runs the command on the node, gives the node back, and exits as the command did:
  nodepool request debian -- uname -a
COMMAND gets its words as they are; a single one is a line for the node's shell, as 'cd /tmp && ls'.`,
    load: () => import("./command/request.ts"),
  },
  {
    words: "explain <what> <id>",
    help: "say why: explain request ID, node ID, label NAME or image NAME",
    load: () => import("./command/explain.ts"),
  },
  {
    words: "release <requests...>",
    help: "give the nodes of requests back",
    options: [
      { flags: "--fault <text>", help: "what their machines did wrong: static hosts are judged by it" },
      { flags: "--wait <time>", help: "wait until the nodes are gone, for so long at most" },
    ],
    load: () => import("./command/release.ts"),
  },
  {
    words: "revise <request>",
    help: "serve a waiting request sooner or later among those of its priority",
    options: [
      {
        flags: "--relative-priority <number>",
        help: "a whole number; lower is served first",
        required: true,
      },
    ],
    load: () => import("./command/revise.ts"),
  },
  {
    words: "ssh <id>",
    help: "log in to a node, checking its host key; -- COMMAND runs a command there",
    options: [IDENTITY],
    after: `
COMMAND gets its words as they are; a single one is a line for the node's shell, as 'cd /tmp && ls'.`,
    load: () => import("./command/ssh.ts"),
  },
  {
    words: "info <provider>",
    help: "show what is recorded of a provider",
    load: () => import("./command/info.ts"),
  },
  {
    words: "erase <provider>",
    help: "delete the records of a provider that is in no configuration any more (refused while it is); its machines and images stay",
    options: [{ flags: "--force", help: "do not ask" }],
    load: () => import("./command/erase.ts"),
  },
  {
    words: "providers",
    help: "list providers, how nodes run there, and what is wrong with them",
    load: () => import("./command/providers.ts"),
  },
  {
    words: "component-list",
    help: "list builders, launchers and pools, and the configuration that each runs with",
    load: () => import("./command/component_list.ts"),
  },
  {
    words: "config-validate",
    help: "say all that is wrong in a configuration; needs no server",
    readsConfig: true,
    options: [
      ...CONFIG_FILES,
      { flags: "--by-daemon", help: "have the launcher look at it, with its environment and secure file" },
      { flags: "--format <form>", help: "text, json, or sarif for code hosts (default: text)" },
      { flags: "--strict", help: "fail on warnings too" },
    ],
    load: () => import("./command/config_validate.ts"),
  },
  {
    words: "plan",
    help: "show what a changed configuration would do to images, nodes and requests; changes nothing",
    readsConfig: true,
    options: CONFIG_FILES,
    after: `
Exit codes: 0 nothing is lost, 1 the configuration cannot be used, 3 something is deleted or no longer served.`,
    load: () => import("./command/plan.ts"),
  },
  {
    words: "config-reload",
    help: "have the launcher and the builder read their configuration now, and show what is in force",
    load: () => import("./command/config_reload.ts"),
  },
  {
    words: "alien-list [provider]",
    help: "list instances at the providers that no node knows",
    load: () => import("./command/alien_list.ts"),
  },
  {
    words: "alien-image-list [provider]",
    help: "list images of ours at the providers that are no ready upload",
    load: () => import("./command/alien_image_list.ts"),
  },
  {
    words: "brake-release <provider>",
    help: "let automatic deletion go on where it was stopped because too much looked wrong at once",
    load: () => import("./command/brake_release.ts"),
  },
];
