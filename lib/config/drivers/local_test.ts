import { testDriver } from "../../../test/harness/config_keys.ts";

const COMMON = `
  provider    name                   name        required                    "p"
  provider    max-concurrency        integer     -1                          5
  provider    priority               integer     100                         7
  provider    boot-timeout           integer>=1~ 60                          90
  provider    launch-retries         integer>=0~ 3                           0
  provider    image-upload-timeout   integer>=1~ 3600                        90
  provider    image-name-format      format      "{image_name}-{timestamp}"  "a-{upload_id}"
  provider    post-upload-hook       text        -                           "/usr/bin/hook"
  provider    diskimages             list        []                          [{"name": "d"}]
  diskimage   name                   text        required                    "d"
  diskimage   pause                  boolean     false                       true
  diskimage   connection-type        text        "ssh"                       "winrm"
  diskimage   connection-port        port        -                           2222
  diskimage   meta                   texts       {}                          {"a": "b"}
  provider    cloud-images           list        []                          [{"name": "c"}]
  cloudimage  name                   text        required                    "c"
  provider    pools                  list        []                          [{"name": "main"}]
  pool        name                   title       required                    "main"
  pool        max-servers            integer     -                           0
  pool        max-cores              integer     -                           8
  pool        max-ram                integer     -                           8192
  pool        priority               integer     -                           7
  pool        node-attributes        mapping     {}                          {"key": ["value", 1]}
  pool        host-key-checking      boolean     -                           false
  pool        ignore-provider-quota  boolean     false                       true
  pool        labels                 list        []                          [{"name": "l"}]
  label       name                   text        required                    "l"
  label       diskimage              text        -                           "d"
  label       cloud-image            text        -                           "c"
  label       console-log            boolean     false                       true
  label       host-key-checking      boolean     -                           true`;

testDriver(
  "local",
  `${COMMON}
  provider  driver          text                            "openstack"  "local"
  provider  launch-timeout  integer>=1~                     300          90
  provider  engine          auto|container|sandbox|process  "auto"       "sandbox"
  provider  socket          text                            -            "/run/podman.sock"
  provider  state-dir       text                            -            "state"
  label     cores           integer>=1                      -            2
  label     ram             integer>=1                      -            1024`,
);

testDriver(
  "fake",
  `${COMMON}
  provider  driver          text        "openstack"  "fake"
  provider  launch-timeout  integer>=1~ 3600         90`,
);
