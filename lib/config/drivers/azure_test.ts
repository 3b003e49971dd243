import { testDriver } from "../../../test/harness/config_keys.ts";

const LABEL = `{"name": "l", "hardware-profile": {"vm-size": "s"}, "diskimage": "d"}`;

testDriver(
  "azure",
  `
  provider    name                      name        required     "p"
  provider    driver                    text        "openstack"  "azure"
  provider    max-concurrency           integer     -1           5
  provider    priority                  integer     100          7
  provider    boot-timeout              integer>=1~ 120          90
  provider    launch-timeout            integer>=1~ 3600         90
  provider    launch-retries            integer>=0~ 3            0
  provider    post-upload-hook          text        -            "/usr/bin/hook"
  provider    location                  text        required     "centralus"
  provider    resource-group            text        required     "group"
  provider    resource-group-location   text        required     "centralus"
  provider    auth-path                 text        expected     "/etc/nodepool/azure.json"
  provider    subnet-id                 text        -            "/subscriptions/1"
  provider    network                   record      -            "net"
  provider    network/resource-group    text        -            "group"
  provider    network/network           text        required     "net"
  provider    network/subnet            text        "default"    "sub"
  provider    ipv4                      boolean     -            true
  provider    ipv6                      boolean     -            true
  provider    public-ipv4               boolean     true         false
  provider    public-ipv6               boolean     false        true
  provider    use-internal-ip           boolean     false        true
  provider    host-key-checking         boolean     true         false
  provider    rate                      number>=0   1            0.5
  provider    zuul-public-key           text        -            "ssh-rsa x"
  provider    cloud-images              list        []           [{"name": "c", "username": "u", "image-id": "i"}]
  cloudimage  name                      text        required     "c"
  cloudimage  username                  text        required     "zuul"
  cloudimage  password                  text        -            "p"
  cloudimage  generate-password         boolean     false        true
  cloudimage  key                       text        -            "ssh-rsa x"
  cloudimage  image-reference           record      -            {"sku": "s", "publisher": "p", "version": "v", "offer": "o"}
  cloudimage  image-reference/sku       text        required     "22.04"
  cloudimage  image-reference/publisher  text       required     "Canonical"
  cloudimage  image-reference/version   text        required     "latest"
  cloudimage  image-reference/offer     text        required     "UbuntuServer"
  cloudimage  image-id                  text        -            "/subscriptions/1/images/x"
  cloudimage  image-filter              record      -            {"name": "x"}
  cloudimage  image-filter/location     text        -            "centralus"
  cloudimage  image-filter/name         text        -            "x"
  cloudimage  image-filter/tags         texts       -            {"a": "b"}
  cloudimage  shared-gallery-image      record      -            {"gallery-name": "g", "name": "n"}
  cloudimage  shared-gallery-image/gallery-name  text  required  "g"
  cloudimage  shared-gallery-image/name  text       required     "n"
  cloudimage  shared-gallery-image/version  text    -            "1.0.0"
  cloudimage  community-gallery-image   record      -            {"gallery-name": "g", "name": "n"}
  cloudimage  community-gallery-image/gallery-name  text  required  "g"
  cloudimage  community-gallery-image/name  text    required     "n"
  cloudimage  community-gallery-image/version  text  -           "1.0.0"
  cloudimage  python-path               text        "auto"       "/usr/bin/python3"
  cloudimage  shell-type                text        -            "cmd"
  cloudimage  connection-type           text        "ssh"        "winrm"
  cloudimage  connection-port           port        -            2222
  provider    diskimages                list        []           [{"name": "d"}]
  diskimage   name                      text        required     "d"
  diskimage   pause                     boolean     false        true
  diskimage   connection-type           text        "ssh"        "winrm"
  diskimage   connection-port           port        -            2222
  diskimage   username                  text        -            "admin"
  diskimage   key                       text        -            "ssh-rsa x"
  diskimage   password                  text        -            "p"
  diskimage   generate-password         boolean     false        true
  diskimage   python-path               text        -            "/usr/bin/python3"
  diskimage   shell-type                text        -            "cmd"
  diskimage   tags                      texts       -            {"a": "b"}
  provider    pools                     list        []           [{"name": "main", "max-servers": 1}]
  pool        name                      title       required     "main"
  pool        max-servers               integer     required     3
  pool        priority                  integer     -            7
  pool        node-attributes           mapping     {}           {"key": ["value", 1]}
  pool        ipv4                      boolean     -            true
  pool        ipv6                      boolean     -            true
  pool        public-ipv4               boolean     -            false
  pool        public-ipv6               boolean     -            true
  pool        use-internal-ip           boolean     -            true
  pool        host-key-checking         boolean     -            false
  pool        labels                    list        []           [${LABEL}]
  label       name                      text        required     "l"
  label       cloud-image               text        -            "c"
  label       diskimage                 text        -            "d"
  label       hardware-profile          record      required     {"vm-size": "s"}
  label       hardware-profile/vm-size  text        required     "Standard_B1ls"
  label       tags                      texts       -            {"a": "b"}
  label       dynamic-tags              texts       -            {"a": "{request.id}"}
  label       user-data                 text        -            "x"
  label       custom-data               text        -            "x"
  label       volume-size               integer>=1  -            80
  `,
);
