/**
 * The steps of a build, an upload and a deletion after which a process may die, in the order in which they come. What
 * another process finds then is enough to go on or to clean up.
 */
export const CHECKPOINTS = [
  "build: lock taken",
  "build: marker written",
  "build: record made",
  "build: record anchored",
  "build: command started",
  "build: command ended",
  "build: checksums written",
  "build: result stored",
  "upload: folder made",
  "upload: lock taken",
  "upload: record made",
  "upload: file sent",
  "upload: hook ended",
  "upload: result stored",
  "delete upload: lock taken",
  "delete upload: condemned",
  "delete upload: gone at the provider",
  "delete upload: record deleted",
  "delete build: lock taken",
  "delete build: condemned",
  "delete build: files deleted",
  "delete build: record deleted",
] as const;

export type Checkpoint = (typeof CHECKPOINTS)[number];
