import { testDriver } from "../../../test/harness/config_keys.ts";

testDriver(
  "gce",
  `
  provider    name               name        required       "p"
  provider    driver             text        "openstack"    "gce"
  provider    max-concurrency    integer     -1             5
  provider    priority           integer     100            7
  provider    boot-timeout       integer>=1~ 60             90
  provider    launch-timeout     integer>=1~ 3600           90
  provider    launch-retries     integer>=0~ 3              0
  provider    region             text        required       "us-central1"
  provider    project            text        required       "project"
  provider    zone               text        required       "us-central1-a"
  provider    rate               number>=0   2              0.5
  provider    rate-limit         integer     -              1
  provider    cloud-images       list        []             [{"name": "c", "image-id": "i"}]
  cloudimage  name               text        required       "c"
  cloudimage  image-id           text        -              "i"
  cloudimage  image-project      text        -              "debian-cloud"
  cloudimage  image-family       text        -              "debian-12"
  cloudimage  username           text        -              "zuul"
  cloudimage  key                text        -              "ssh-rsa x"
  cloudimage  python-path        text        "auto"         "/usr/bin/python3"
  cloudimage  shell-type         text        -              "cmd"
  cloudimage  connection-type    text        "ssh"          "winrm"
  cloudimage  connection-port    port        -              2222
  provider    pools              list        []             [{"name": "main"}]
  pool        name               title       required       "main"
  pool        max-servers        integer     -              3
  pool        priority           integer     -              7
  pool        node-attributes    mapping     {}             {"key": ["value", 1]}
  pool        use-internal-ip    boolean     false          true
  pool        host-key-checking  boolean     -              false
  pool        labels             list        []             [{"name": "l", "cloud-image": "c", "instance-type": "t"}]
  label       name               text        required       "l"
  label       cloud-image        text        required       "c"
  label       instance-type      text        required       "n1-standard-1"
  label       volume-type        text        "pd-standard"  "pd-ssd"
  label       volume-size        integer>=1  10             20
  `,
);
