import { standaloneSuite } from "./standalone_suite.ts";

standaloneSuite("sandbox");
