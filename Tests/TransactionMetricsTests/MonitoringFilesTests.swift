import Foundation
import Testing
import TransactionMetrics

/// Holds docs/MONITORING.md, the alerts, the runbooks and the dashboard to the table in the code.
@Suite("What is said about metrics outside the code")
struct MonitoringFilesTests {
    private static let root: URL = {
        var directory = URL(fileURLWithPath: #filePath)
        repeat {
            directory.deleteLastPathComponent()
        } while !FileManager.default.fileExists(
            atPath: directory.appendingPathComponent("Package.swift").path)
            && directory.pathComponents.count > 1
        return directory
    }()

    private static func text(_ path: String) throws -> String {
        try String(contentsOf: root.appendingPathComponent(path), encoding: .utf8)
    }

    private static func files(_ folder: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(
            atPath: root.appendingPathComponent(folder).path
        ).sorted().map { "\(folder)/\($0)" }
    }

    /// The row of a metric in the table of the documentation.
    private static func row(of metric: Metric) -> String {
        let labels = metric.labels.map { "`\($0)`" }.joined(separator: ", ")
        let help = metric.help.replacing("|", with: "\\|")
        return "| `\(metric.name)` | \(metric.kind.rawValue) | \(labels) | "
            + "\(metric.reporter.rawValue) | \(help) |"
    }

    @Test func `the documentation lists every metric as it is`() throws {
        let rows = try Self.text("docs/MONITORING.md").split(separator: "\n")
            .filter { $0.hasPrefix("| `tandem_") }.map(String.init)
        #expect(rows == Metric.all.map(Self.row))
    }

    @Test func `every metric that is named exists`() throws {
        let names = Set(Metric.all.map(\.name))
        let histograms = Set(Metric.all.filter { $0.kind == .histogram }.map(\.name))
        let paths =
            try Self.files("monitoring") + Self.files("docs/runbooks") + ["docs/MONITORING.md"]
        for path in paths {
            let text = try Self.text(path)
            for match in text.matches(of: /\btandem_[a-z_]+\b/) {
                let name = String(match.output)
                if name == "tandem_participant" { continue }
                let family = ["_bucket", "_sum", "_count"].reduce(name) {
                    $0.hasSuffix($1) && histograms.contains(String($0.dropLast($1.count)))
                        ? String($0.dropLast($1.count)) : $0
                }
                #expect(names.contains(family), "\(path) names \(name)")
            }
        }
    }

    @Test func `every alert has a runbook, and every runbook an alert`() throws {
        let alerts = try Self.text("monitoring/alerts.yaml")
        let named = Set(alerts.matches(of: /- alert: (\w+)/).map { String($0.output.1) })
        #expect(!named.isEmpty)
        let pages = Set(
            try Self.files("docs/runbooks").map {
                URL(fileURLWithPath: $0).deletingPathExtension().lastPathComponent
            })
        #expect(named == pages)
        for name in named {
            #expect(alerts.contains("docs/runbooks/\(name).md"), "\(name)")
        }
    }

    @Test func `the dashboard is valid, and each panel has a query and a title`() throws {
        let data = try Data(
            contentsOf: Self.root.appendingPathComponent("monitoring/dashboard.json"))
        let dashboard = try #require(
            try JSONSerialization.jsonObject(with: data) as? [String: Any])
        let panels = try #require(dashboard["panels"] as? [[String: Any]])
        #expect(panels.count > 10)
        #expect(Set(panels.compactMap { $0["id"] as? Int }).count == panels.count)
        for panel in panels where panel["type"] as? String != "row" {
            #expect((panel["title"] as? String)?.isEmpty == false)
            let targets = try #require(panel["targets"] as? [[String: Any]])
            #expect(targets.allSatisfy { ($0["expr"] as? String)?.isEmpty == false })
        }
    }
}
