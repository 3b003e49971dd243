import { driver } from "./driver.ts";

/** Keys of its own are for tests, which know them. */
export const fake = driver({
  about: "A cloud in memory, for tests",
  imageFormat: "qcow2",
  open: true,
});
