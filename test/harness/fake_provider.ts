// A provider in memory whose behaviour a test steers.
export type { FakeInstance } from "../../lib/provider/fake/cloud.ts";
export { FakeProvider } from "../../lib/provider/fake/fake_provider.ts";
export type { Weather } from "../../lib/provider/fake/weather.ts";
