import TransactionEngine

/// The replicas and their leases.
struct ReplicaTable {
    let replicas: [ReplicaReport]
    let moment: Moment

    @HTMLBuilder var html: HTML {
        Parts.scrolling("Replicas") {
            table(.class("rows")) {
                caption(.class("unseen")) { "The replicas, by name" }
                Parts.columns(
                    "Replica", "State", "Last heartbeat", "Lease", "Running since", "Epoch",
                    "Participants")
                tbody {
                    for replica in replicas {
                        tr {
                            th(.rowHeader) {
                                replica.name
                                if replica.isThisReplica { small { " made this page" } }
                            }
                            td { pill(replica) }
                            td { moment.relative(replica.lastHeartbeatAt) }
                            td {
                                replica.state == .ended
                                    ? .text("given up or taken")
                                    : moment.lease(replica.leaseExpiresAt)
                            }
                            td { moment.full(replica.startedAt) }
                            td(.class("figure")) { "\(replica.epoch)" }
                            td { Parts.participants(replica.participants) }
                        }
                    }
                }
            }
        }
        Parts.source(
            "The leases in the state database, read for this page. Its clock counts them; the ages "
                + "here are by this replica's clock.")
    }

    private func pill(_ replica: ReplicaReport) -> HTML {
        switch replica.state {
        case .live: Tone.good.pill("live")
        case .expired: Tone.retry.pill("lease expired")
        case .ended: Tone.calm.pill("ended")
        }
    }
}
