import { LONGEST_SESSION_MS } from "../../lib/zookeeper/contract/fixture.ts";
import { describeCoordinationContract } from "../../lib/zookeeper/contract_suite.ts";
import { startZooKeeper } from "../harness/zookeeper.ts";

describeCoordinationContract("ZooKeeper", () => startZooKeeper({ longestSessionMs: LONGEST_SESSION_MS }));
