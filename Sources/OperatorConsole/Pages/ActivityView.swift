import TransactionEngine

/// Rate, latency and aborts over the last hour, as this replica has seen them.
struct ActivityView {
    let activity: ActivityReport
    let inFlight: Int
    let replica: String
    let moment: Moment

    @HTMLBuilder var html: HTML {
        div(.class("tiles")) {
            tile(
                "In flight", figure: grouped(inFlight), unit: "now",
                note: "coordinated by \(replica)", chart: nil)
            tile(
                "Rate", figure: rate(latest.answered, latestSeconds), unit: "a second",
                note: "most \(rateText(peakRate)) · \(grouped(total.answered)) in all",
                chart: Sparkline(
                    style: .area,
                    values: rates,
                    description: "Transactions answered a second over the last hour, most "
                        + rateText(peakRate)))
            tile(
                "Latency, median", figure: spanText(latest.latencies.quantile(0.5)), unit: "",
                note: "99 % within \(spanText(latest.latencies.quantile(0.99)))",
                chart: Sparkline(
                    style: .area,
                    values: shown.map { bucket in
                        bucket.map { $0.latencies.quantile(0.5).map(Double.init) ?? 0 }
                    },
                    description: "Median time to the answer over the last hour, most "
                        + spanText(peakLatency)))
            tile(
                "Aborts", figure: grouped(total.aborted), unit: "this hour",
                note: abortShare,
                chart: Sparkline(
                    style: .bars,
                    values: shown.map { $0.map { Double($0.aborted) } },
                    description: "Aborted transactions in each half minute of the last hour, "
                        + "\(grouped(total.aborted)) in all"))
        }
        p(.class("source")) {
            "Counted by \(replica) in its own memory since "
            moment.full(activity.since)
            " ("
            TimeText.span(microseconds: moment.now - activity.since)
            "); other replicas count their own. The figures are of the last "
            TimeText.span(microseconds: activity.latest.milliseconds * 1_000)
            ", and a latency may be up to 42 % less than shown."
        }
    }

    private var latest: RecentActivity.Bucket { activity.latest.bucket }
    private var latestSeconds: Double { Double(max(activity.latest.milliseconds, 1)) / 1_000 }
    private var total: RecentActivity.Bucket { activity.total }

    /// The buckets of the charts: the one that is being filled is the last.
    private var shown: [RecentActivity.Bucket?] {
        activity.buckets.dropFirst() + [activity.current]
    }

    /// Answers a second in each of them.
    private var rates: [Double?] {
        activity.buckets.dropFirst().map { $0.map { Double($0.answered) / 30 } }
            // Less than five seconds are too few for a rate.
            + [
                Double(activity.current.answered) * 1_000
                    / Double(max(activity.currentMilliseconds, 5_000))
            ]
    }

    private var peakRate: Double {
        rates.compactMap(\.self).max() ?? 0
    }

    private var peakLatency: Int64? {
        shown.compactMap { $0?.latencies.quantile(0.5) }.max()
    }

    private var abortShare: String {
        let decided = total.committed + total.aborted
        guard decided > 0 else { return "nothing was decided yet" }
        return "\(number(Double(total.aborted) / Double(decided) * 100)) % of "
            + count(decided, "decision", "decisions")
    }

    private func rate(_ count: Int, _ seconds: Double) -> String {
        rateText(Double(count) / seconds)
    }

    private func rateText(_ rate: Double) -> String {
        rate >= 10 ? grouped(Int(rate.rounded())) : number((rate * 10).rounded() / 10)
    }

    private func spanText(_ microseconds: Int64?) -> String {
        microseconds.map(TimeText.span(microseconds:)) ?? "–"
    }

    private func tile(
        _ name: String, figure: String, unit: String, note: String, chart: Sparkline?
    ) -> HTML {
        div(.class("tile card")) {
            h3 { name }
            p(.class("figure-line")) {
                span(.class("big")) { figure }
                " "
                span(.class("unit")) { unit }
            }
            if let chart {
                chart.html
                p(.class("spark-axis"), .decorative) {
                    span { "60 min ago" }
                    span { "now" }
                }
            }
            p(.class("note")) { note }
        }
    }
}
