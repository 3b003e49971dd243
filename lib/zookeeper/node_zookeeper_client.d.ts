// The parts of node-zookeeper-client 1.1.3 that we use: its wire records, error codes and create modes. The package
// brings no types.

declare module "node-zookeeper-client/lib/jute/index.js" {
  import type { Buffer } from "node:buffer";

  /** A record of the protocol: its fields are properties in the order in which the wire has them. */
  export interface JuteRecord {
    byteLength(): number;
    /** Writes the record and returns the number of bytes. */
    serialize(buffer: Buffer, offset: number): number;
    /** Fills the record and returns the number of bytes read. @throws when the buffer ends too early. */
    deserialize(buffer: Buffer, offset: number): number;
  }

  /** A record that is only ever sent. */
  export type RequestBody = Pick<JuteRecord, "byteLength" | "serialize">;

  export interface JuteStat extends JuteRecord {
    czxid: Buffer;
    mzxid: Buffer;
    ctime: Buffer;
    mtime: Buffer;
    version: number;
    cversion: number;
    aversion: number;
    ephemeralOwner: Buffer;
    dataLength: number;
    numChildren: number;
    pzxid: Buffer;
  }

  export interface JuteConnectResponse extends JuteRecord {
    protocolVersion: number;
    timeOut: number;
    sessionId: Buffer;
    passwd: Buffer | undefined;
  }

  interface Jute {
    readonly OP_CODES: {
      readonly NOTIFICATION: number;
      readonly CREATE: number;
      readonly DELETE: number;
      readonly EXISTS: number;
      readonly GET_DATA: number;
      readonly SET_DATA: number;
      readonly SYNC: number;
      readonly PING: number;
      readonly GET_CHILDREN2: number;
      readonly CHECK: number;
      readonly MULTI: number;
      readonly CLOSE_SESSION: number;
      readonly ERROR: number;
    };
    readonly XID_NOTIFICATION: number;
    readonly XID_PING: number;
    readonly Request: new (header: JuteRecord | null, payload: JuteRecord | null) => { toBuffer(): Buffer };
    readonly protocol: {
      readonly ConnectRequest: new (
        protocolVersion: number,
        lastZxidSeen: Buffer,
        timeOut: number,
        sessionId: Buffer,
        passwd: Buffer,
      ) => JuteRecord;
      readonly ConnectResponse: new () => JuteConnectResponse;
      readonly RequestHeader: new (xid: number, type: number) => JuteRecord;
      readonly CreateResponse: new () => JuteRecord & { path: string };
      readonly ExistsRequest: new (path: string, watch: boolean) => JuteRecord;
      readonly GetDataRequest: new (path: string, watch: boolean) => JuteRecord;
      readonly GetChildren2Request: new (path: string, watch: boolean) => JuteRecord;
      readonly GetChildren2Response: new () => JuteRecord & {
        children: string[] | undefined;
        stat: JuteStat;
      };
      readonly GetACLRequest: new (path: string) => JuteRecord;
    };
  }

  const jute: Jute;
  export default jute;
}

declare module "node-zookeeper-client/lib/ACL.js" {
  import type { JuteRecord } from "node-zookeeper-client/lib/jute/index.js";

  const acl: { readonly OPEN_ACL_UNSAFE: readonly { toRecord(): JuteRecord }[] };
  export default acl;
}

declare module "node-zookeeper-client/lib/CreateMode.js" {
  const modes: {
    readonly PERSISTENT: number;
    readonly PERSISTENT_SEQUENTIAL: number;
    readonly EPHEMERAL: number;
    readonly EPHEMERAL_SEQUENTIAL: number;
  };
  export default modes;
}

declare module "node-zookeeper-client/lib/Exception.js" {
  const codes: Readonly<Record<string, unknown>>;
  export default codes;
}
