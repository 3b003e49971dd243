#!/usr/bin/env node
import process from "node:process";
import { runStandalone } from "./standalone.ts";

process.exit(await runStandalone(process));
