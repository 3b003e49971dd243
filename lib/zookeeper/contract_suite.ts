// What a coordination server must do for us, whichever it is: run against ZooKeeper itself and against our own.
import { after, afterEach, before, describe } from "node:test";
import { callCases } from "./contract/call_cases.ts";
import { componentCases } from "./contract/component_cases.ts";
import { Fixture, type StartServer } from "./contract/fixture.ts";
import { lockCases } from "./contract/lock_cases.ts";
import { ownWriteCases } from "./contract/own_write_cases.ts";
import { sessionCases } from "./contract/session_cases.ts";
import { transactionCases } from "./contract/transaction_cases.ts";
import { viewCases } from "./contract/view_cases.ts";

export type { ContractServer, StartServer } from "./contract/fixture.ts";

/** Declares the contract's tests for one kind of server. */
export function describeCoordinationContract(name: string, startServer: StartServer): void {
  describe(`coordination contract: ${name}`, () => {
    const fixture = new Fixture(startServer);
    before(() => fixture.start());
    after(() => fixture.stop());
    afterEach(() => fixture.endCase());

    describe("calls", () => callCases(fixture));
    describe("transactions", () => transactionCases(fixture));
    describe("sessions and watches", () => sessionCases(fixture));
    describe("locks", () => lockCases(fixture));
    describe("view", () => viewCases(fixture));
    describe("view of own writes", () => ownWriteCases(fixture));
    describe("components", () => componentCases(fixture));
  });
}
