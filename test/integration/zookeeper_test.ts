import { describeCoordinationContract } from "../../lib/zookeeper/contract_suite.ts";
import { startZooKeeper } from "../harness/zookeeper.ts";

describeCoordinationContract("ZooKeeper", () => startZooKeeper());
