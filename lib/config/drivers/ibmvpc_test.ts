import { testDriver } from "../../../test/harness/config_keys.ts";

const SYSTEM = ["architecture", "display-name", "family", "href", "name", "vendor", "version"].map(
  (key) => `cloudimage  image-filter/operating-system/${key}  text  -  "x"`,
);

testDriver(
  "ibmvpc",
  `
  provider    name                          name        required     "p"
  provider    driver                        text        "openstack"  "ibmvpc"
  provider    max-concurrency               integer     -1           5
  provider    priority                      integer     100          7
  provider    boot-timeout                  integer>=1~ 120          90
  provider    launch-timeout                integer>=1~ 3600         90
  provider    launch-retries                integer>=0~ 3            0
  provider    post-upload-hook              text        -            "/usr/bin/hook"
  provider    vpc                           text        required     "vpc"
  provider    region                        text        required     "us-south"
  provider    zone                          text        -            "us-south-1"
  provider    subnet                        text        -            "subnet"
  provider    credentials-file              text        -            "/etc/ibm.env"
  provider    object-storage                record      -            {"instance-name": "i", "endpoint": "e", "bucket-name": "b"}
  provider    object-storage/instance-name  text        required     "i"
  provider    object-storage/endpoint       text        required     "e"
  provider    object-storage/bucket-name    text        required     "b"
  provider    quota                         record      -            {"instances": 1}
  provider    quota/instances               integer     -            10
  provider    quota/cores                   integer     -            20
  provider    quota/ram                     integer     -            4096
  provider    public-ipv4                   boolean     false        true
  provider    use-internal-ip               boolean     false        true
  provider    host-key-checking             boolean     true         false
  provider    rate                          number>=0   1            0.5
  provider    image-format                  text        "qcow2"      "raw"
  provider    cloud-images                  list        []           [{"name": "c", "username": "u", "image-id": "i"}]
  cloudimage  name                          text        required     "c"
  cloudimage  username                      text        required     "zuul"
  cloudimage  keys                          list        -            ["key"]
  cloudimage  image-href                    text        -            "https://x"
  cloudimage  image-id                      text        -            "i"
  cloudimage  image-name                    text        -            "n"
  cloudimage  image-filter                  record      -            {"status": "available"}
  cloudimage  image-filter/operating-system  record     -            {"name": "n"}
  cloudimage  image-filter/operating-system/dedicated-host-only  boolean  -  true
  ${SYSTEM.join("\n")}
  cloudimage  image-filter/owner-type       text        -            "user"
  cloudimage  image-filter/status           text        -            "available"
  cloudimage  python-path                   text        "auto"       "/usr/bin/python3"
  cloudimage  shell-type                    text        -            "cmd"
  cloudimage  connection-type               text        "ssh"        "winrm"
  cloudimage  connection-port               port        -            2222
  provider    diskimages                    list        []           [{"name": "d", "operating-system": "o"}]
  diskimage   name                          text        required     "d"
  diskimage   operating-system              text        required     "debian-12-amd64"
  diskimage   pause                         boolean     false        true
  diskimage   connection-type               text        "ssh"        "winrm"
  diskimage   connection-port               port        -            2222
  diskimage   python-path                   text        -            "/usr/bin/python3"
  diskimage   shell-type                    text        -            "cmd"
  provider    pools                         list        []           [{"name": "main", "max-servers": 1}]
  pool        name                          title       required     "main"
  pool        max-servers                   integer     required     3
  pool        priority                      integer     -            7
  pool        node-attributes               mapping     {}           {"key": ["value", 1]}
  pool        zone                          text        -            "us-south-1"
  pool        subnet                        text        -            "subnet"
  pool        public-ipv4                   boolean     -            true
  pool        use-internal-ip               boolean     -            true
  pool        host-key-checking             boolean     -            false
  pool        labels                        list        []           [{"name": "l", "profile": "p", "cloud-image": "c"}]
  label       name                          text        required     "l"
  label       cloud-image                   text        -            "c"
  label       diskimage                     text        -            "d"
  label       profile                       text        required     "bx2-2x8"
  label       user-data                     text        -            "x"
  `,
);
