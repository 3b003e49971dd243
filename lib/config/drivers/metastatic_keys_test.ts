import { testDriver } from "../../../test/harness/config_keys.ts";

testDriver(
  "metastatic",
  `
  provider  name                name        required     "p"
  provider  driver              text        "openstack"  "metastatic"
  provider  max-concurrency     integer     -1           5
  provider  priority            integer     100          7
  provider  boot-timeout        integer>=1~ 120          90
  provider  launch-timeout      integer>=1~ 3600         90
  provider  launch-retries      integer>=0~ 3            0
  provider  rate                number>=0   1            0.5
  provider  pools               list        []           [{"name": "main"}]
  pool      name                title       required     "main"
  pool      max-servers         integer     -            3
  pool      priority            integer     -            7
  pool      node-attributes     mapping     {}           {"key": ["value", 1]}
  pool      host-key-checking   boolean     -            true
  pool      labels              list        []           [{"name": "l", "backing-label": "b"}]
  label     name                text        required     "l"
  label     backing-label       text        required     "b"
  label     max-parallel-jobs   integer>=1  1            8
  label     grace-time          integer     60           90
  label     min-retention-time  integer     0            90
  label     max-age             integer     -            900
  label     host-key-checking   boolean     -            true
  `,
);
