// The public API of node-zookeeper-client, as far as the benchmark compares with it.

declare module "node-zookeeper-client" {
  import type { Buffer } from "node:buffer";

  type Done<T> = (error: Error | null, result: T) => void;

  interface Transaction {
    create(path: string, data: Buffer): Transaction;
    setData(path: string, data: Buffer, version: number): Transaction;
    remove(path: string, version: number): Transaction;
    commit(done: Done<unknown>): void;
  }

  interface Client {
    once(event: "connected", listener: () => void): void;
    connect(): void;
    close(): void;
    create(path: string, data: Buffer, mode: number, done: Done<string>): void;
    setData(path: string, data: Buffer, version: number, done: Done<unknown>): void;
    getData(path: string, done: Done<Buffer>): void;
    getData(path: string, watcher: () => void, done: Done<Buffer>): void;
    getChildren(path: string, watcher: () => void, done: Done<string[]>): void;
    transaction(): Transaction;
  }

  const zookeeper: {
    createClient(connectionString: string, options?: { sessionTimeout?: number }): Client;
    readonly CreateMode: { readonly PERSISTENT_SEQUENTIAL: number };
  };
  export default zookeeper;
}
