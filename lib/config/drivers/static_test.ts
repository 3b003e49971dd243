import { testDriver } from "../../../test/harness/config_keys.ts";

testDriver(
  "static",
  `
  provider  name               name        required  "p"
  provider  driver             text        "openstack"  "static"
  provider  max-concurrency    integer     -1        5
  provider  priority           integer     100       7
  provider  boot-timeout       integer>=1~ 60        90
  provider  launch-timeout     integer>=1~ 3600      90
  provider  launch-retries     integer>=0~ 3         0
  provider  pools              list        []        [{"name": "main", "nodes": []}]
  pool      name               title       required  "main"
  pool      max-servers        integer     -         3
  pool      priority           integer     -         7
  pool      node-attributes    mapping     {}        {"key": ["value", 1]}
  pool      nodes              list        expected  [{"name": "h", "labels": ["l"]}]
  node      name               text        required  "host.example.org"
  node      labels             words       required  ["l", "m"]
  node      username           text        "zuul"    "root"
  node      timeout            integer>=1~ 5         9
  node      host-key-checking  boolean     true      false
  node      host-key           words       -         ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMpujkfvUEYGUqTpsqGfhVNpKRZENxWNFJkTEGlcyt3R"]
  node      connection-port    port        -         2222
  node      ssh-port           port        -         2222
  node      connection-type    text        "ssh"     "winrm"
  node      shell-type         text        -         "cmd"
  node      max-parallel-jobs  integer>=0~ 1         0
  node      python-path        text        "auto"    "/usr/bin/python3"
  `,
);
