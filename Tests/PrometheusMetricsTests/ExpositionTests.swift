import CoreMetrics
import PrometheusMetrics
import Testing

@Suite("The text that Prometheus scrapes")
struct ExpositionTests {
    private let registry = PrometheusRegistry([
        MetricDescription(name: "a_total", help: #"Counts \ things."# + "\nAll."),
        MetricDescription(name: "sizes", help: "Sizes.", buckets: [1, 2.5]),
    ])

    private var text: String { String(decoding: registry.render(), as: UTF8.self) }

    @Test func `is empty without metrics`() {
        #expect(text == "")
    }

    @Test func `sorts by name and labels, and escapes`() {
        Gauge(label: "b", dimensions: [], factory: registry).record(1.5)
        Counter(label: "a_total", dimensions: [("y", "2")], factory: registry).increment(by: 3)
        Counter(
            label: "a_total", dimensions: [("z", "q\"\\\n"), ("y", "1")], factory: registry
        ).increment()
        #expect(
            text == #"""
                # HELP a_total Counts \\ things.\nAll.
                # TYPE a_total counter
                a_total{y="1",z="q\"\\\n"} 1
                a_total{y="2"} 3
                # TYPE b gauge
                b 1.5

                """#)
    }

    @Test func `counts values into cumulative buckets, bounds included`() {
        let sizes = Recorder(label: "sizes", dimensions: [], factory: registry)
        for value in [1, 2, 3] { sizes.record(value) }
        sizes.record(Double.nan)
        #expect(
            text == """
                # HELP sizes Sizes.
                # TYPE sizes histogram
                sizes_bucket{le="1"} 1
                sizes_bucket{le="2.5"} 2
                sizes_bucket{le="+Inf"} 3
                sizes_sum 6
                sizes_count 3

                """)
    }

    @Test func `shows durations in seconds`() {
        let timer = Timer(label: "wait_seconds", dimensions: [("of", "x")], factory: registry)
        timer.recordMilliseconds(250)
        #expect(text.contains("wait_seconds_bucket{of=\"x\",le=\"0.1\"} 0\n"))
        #expect(text.contains("wait_seconds_bucket{of=\"x\",le=\"0.25\"} 1\n"))
        #expect(text.contains("wait_seconds_sum{of=\"x\"} 0.25\n"))
    }

    @Test func `shows numbers that are none`() {
        for (name, value) in [("a", Double.nan), ("b", .infinity), ("c", -.infinity)] {
            Gauge(label: name, dimensions: [], factory: registry).record(value)
        }
        #expect(text.hasSuffix("a NaN\n# TYPE b gauge\nb +Inf\n# TYPE c gauge\nc -Inf\n"))
    }

    @Test func `makes one instrument for the same name and labels`() {
        for labels in [[("a", "1"), ("b", "2")], [("b", "2"), ("a", "1")]] {
            Counter(label: "same_total", dimensions: labels, factory: registry).increment()
        }
        #expect(text.hasSuffix("same_total{a=\"1\",b=\"2\"} 2\n"))
    }

    @Test func `exposes no second type under a name`() {
        Counter(label: "same", dimensions: [], factory: registry).increment()
        Gauge(label: "same", dimensions: [], factory: registry).record(7)
        Gauge(label: "same", dimensions: [("a", "b")], factory: registry).record(7)
        #expect(text == "# TYPE same counter\nsame 1\n")
    }

    @Test func `makes unsound names sound`() {
        Meter(label: "1.höhe", dimensions: [("a:b", "c")], factory: registry).set(2)
        #expect(text == "# TYPE _1_h__he gauge\n_1_h__he{a_b=\"c\"} 2\n")
    }

    @Test func `forgets what is destroyed`() {
        let counter = Counter(label: "gone_total", dimensions: [], factory: registry)
        counter.increment()
        counter.destroy()
        #expect(text == "")
    }

    @Test func `loses no count of several threads`() async {
        let counter = Counter(label: "sum_total", dimensions: [], factory: registry)
        let sizes = Recorder(label: "sizes", dimensions: [], factory: registry)
        await withTaskGroup { group in
            for _ in 0..<4 {
                group.addTask {
                    for _ in 0..<1000 {
                        counter.increment()
                        sizes.record(2)
                    }
                }
            }
        }
        #expect(text.contains("sum_total 4000\n"))
        #expect(text.contains("sizes_sum 8000\n"))
        #expect(text.contains("sizes_count 4000\n"))
    }
}
