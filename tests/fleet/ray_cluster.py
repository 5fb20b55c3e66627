"""A Ray cluster of `ray.cluster_utils.Cluster`, run by an interpreter that has Ray. Orders come as lines of JSON, each
is answered by one: {"add": NAME, "env": {…}} starts a node, {"kill": NAME} ends it as a power cut does.
"""

import json
import os
import sys

from ray.cluster_utils import Cluster


def main():
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    cluster, nodes = Cluster(), {}
    for line in sys.stdin:
        order = json.loads(line)
        if "add" in order:
            more = {"num_cpus": 0, "object_store_memory": 80 * 2**20, "include_dashboard": False}
            if not nodes:
                more["temp_dir"] = sys.argv[1]
            nodes[order["add"]] = cluster.add_node(node_name=order["add"], env_vars=order["env"], **more)
        else:
            cluster.remove_node(nodes.pop(order["kill"]), allow_graceful=False)
        out.write(json.dumps({"address": cluster.address}) + "\n")
        out.flush()
    cluster.shutdown()


if __name__ == "__main__":
    main()
