import { testDriver } from "../../../test/harness/config_keys.ts";

const SHARED = `
  provider  name                           name        required        "p"
  provider  max-concurrency                integer     -1              5
  provider  priority                       integer     100             7
  provider  launch-retries                 integer>=0~ 3               0
  provider  max-servers                    integer     -               9
  provider  max-cores                      integer     -               9
  provider  max-ram                        integer     -               9
  provider  max-resources                  counts      -               {"gpu": 2}
  pool      name                           title       required        "main"
  pool      max-servers                    integer     -               3
  pool      max-cores                      integer     -               3
  pool      max-ram                        integer     -               3
  pool      max-resources                  counts      -               {"gpu": 1}
  pool      priority                       integer     -               7
  pool      node-attributes                mapping     {}              {"key": ["value", 1]}
  pool      default-label-cpu              integer>=0  -               2
  pool      default-label-memory           integer     -               1024
  pool      default-label-storage          integer     -               10
  pool      default-label-cpu-limit        integer>=0  -               4
  pool      default-label-memory-limit     integer     -               2048
  pool      default-label-storage-limit    integer     -               20
  pool      default-label-extra-resources  counts      -               {"gpu": 1}
  label     name                           text        required        "l"
  label     spec                           mapping     -               {"containers": []}
  label     python-path                    text        "auto"          "/usr/bin/python3"
  label     shell-type                     text        -               "sh"
  label     labels                         texts       -               {"a": "b"}
  label     dynamic-labels                 texts       -               {"a": "{request.id}"}
  label     annotations                    texts       -               {"a": "b"}
  label     image-pull                     Always|IfNotPresent|Never  "IfNotPresent"  "Always"
  label     cpu                            integer>=0  -               2
  label     memory                         integer     -               512
  label     storage                        integer     -               10
  label     cpu-limit                      integer>=0  -               4
  label     memory-limit                   integer     -               1024
  label     storage-limit                  integer     -               20
  label     gpu                            number>=0   -               0.5
  label     gpu-resource                   text        -               "nvidia.com/gpu"
  label     env                            list        -               [{"name": "A", "value": "b"}]
  label     env/0/name                     text        required        "A"
  label     env/0/value                    text        required        "b"
  label     node-selector                  texts       -               {"disk": "ssd"}
  label     privileged                     boolean     -               true
  label     scheduler-name                 text        -               "fast"
  label     volumes                        list        -               ["v"]
  label     volume-mounts                  list        -               ["m"]
  label     extra-resources                counts      -               {"gpu": 1}`;

testDriver(
  "kubernetes",
  `${SHARED}
  provider  driver   text           "openstack"  "kubernetes"
  provider  context  text           -            "admin@cluster"
  provider  pools    list           []           [{"name": "main"}]
  pool      labels   list           []           [{"name": "l", "type": "namespace"}]
  label     type     namespace|pod  required     "namespace"
  label     image    text           -            "docker.io/debian"`,
);

testDriver(
  "openshift",
  `${SHARED}
  provider  driver              text         "openstack"  "openshift"
  provider  context             text         required     "admin@cluster"
  provider  max-projects        integer      -            4
  provider  pools               list         []           [{"name": "main"}]
  pool      labels              list         []           [{"name": "l", "type": "project"}]
  label     type                project|pod  required     "project"
  label     image               text         -            "docker.io/debian"
  label     image-pull-secrets  list         -            ["s"]`,
);

testDriver(
  "openshiftpods",
  `${SHARED}
  provider  driver              text     "openstack"  "openshiftpods"
  provider  context             text     required     "admin@cluster"
  provider  max-projects        integer  -            4
  provider  max-pods            integer  -            4
  provider  pools               list     []           [{"name": "main"}]
  pool      labels              list     []           [{"name": "l", "image": "i"}]
  label     type                pod!     "pod"        "pod"
  label     image               text     required     "docker.io/debian"
  label     image-pull-secrets  list     -            ["s"]`,
);
