import { testKeys } from "../../test/harness/config_keys.ts";
import { root, secureRoot } from "./schema.ts";

const PLACES = { top: "", webapp: "webapp", label: "labels.0", diskimage: "diskimages.0" };

testKeys(
  "nodepool.yaml",
  root,
  `
  top         webapp                   record   -                           {"port": 80}
  webapp      port                     port     8005                        80
  webapp      listen_address           text     "0.0.0.0"                   "127.0.0.1"
  top         elements-dir             text     -                           "/a:/b"
  top         images-dir               text     -                           "/opt/images"
  top         build-log-dir            text     "/var/log/nodepool/builds"  "/log"
  top         build-log-retention      integer  7                           -1
  top         zookeeper-servers        list     []                          [{"host": "a"}]
  server      host                     text     required                    "zk1.example.org"
  server      port                     port     2281                        2181
  server      chroot                   text     ""                          "/nodepool"
  top         zookeeper-tls            record   -                           {"cert": "c", "key": "k", "ca": "a"}
  tls         cert                     text     -                           "c.pem"
  tls         key                      text     -                           "k.pem"
  tls         ca                       text     -                           "a.pem"
  top         zookeeper-timeout        number   10                          2.5
  top         labels                   list     []                          [{"name": "l"}]
  label       name                     title    required                    "l"
  label       min-ready                integer  0                           -1
  label       max-ready-age            integer  0                           3600
  top         max-hold-age             integer  0                           3600
  top         diskimages               list     []                          [{"name": "d"}]
  diskimage   name                     name     required                    "d"
  diskimage   abstract                 boolean  false                       true
  diskimage   parent                   text     -                           "base"
  diskimage   dib-cmd                  text     -                           "disk-image-create -n"
  diskimage   elements                 list     []                          ["debian", "vm"]
  diskimage   env-vars                 texts    {}                          {"A": "b"}
  diskimage   formats                  list     -                           ["raw"]
  diskimage   keep-formats             list     -                           ["raw"]
  diskimage   delete-after-upload      boolean  -                           true
  diskimage   pause                    boolean  -                           true
  diskimage   python-path              text     -                           "/usr/bin/python3"
  diskimage   shell-type               text     -                           "cmd"
  diskimage   rebuild-age              integer  -                           3600
  diskimage   build-timeout            integer  -                           3600
  diskimage   release                  release  -                           "trixie"
  diskimage   username                 text     -                           "zuul"
  diskimage   metadata                 texts    {}                          {"A": "b"}
  top         providers                list     []                          [{"name": "p"}]
  provider    name                     name     required                    "p"
  provider    driver                   text     "openstack"                 "aws"
  top         tenant-resource-limits   list     []                          [{"tenant-name": "t"}]
  tenant      tenant-name              text     required                    "t"
  tenant      max-servers              integer  -                           10
  tenant      max-cores                integer  -                           10
  tenant      max-ram                  integer  -                           10240
  tenant      max-volumes              integer  -                           10
  tenant      max-volume-gb            integer  -                           100
  `,
  {
    ...PLACES,
    server: "zookeeper-servers.0",
    tls: "zookeeper-tls",
    provider: "providers.0",
    tenant: "tenant-resource-limits.0",
  },
);

testKeys(
  "the secure file",
  secureRoot,
  `
  top        zookeeper-servers  list    -         [{"host": "a"}]
  server     host               text    required  "zk1.example.org"
  server     port               port    2281      2181
  server     chroot             text    ""        "/nodepool"
  top        zookeeper-tls      record  -         {"cert": "c", "key": "k", "ca": "a"}
  tls        cert               text    -         "c.pem"
  tls        key                text    -         "k.pem"
  tls        ca                 text    -         "a.pem"
  top        diskimages         list    []        [{"name": "d"}]
  diskimage  name               text    required  "d"
  diskimage  env-vars           texts   {}        {"A": "b"}
  `,
  { ...PLACES, server: "zookeeper-servers.0", tls: "zookeeper-tls" },
);
