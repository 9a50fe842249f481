/// What a registry is to say of a metric besides its values, by its name.
package struct MetricDescription: Sendable, Hashable {
    /// The metric's name, as it is exposed.
    package let name: String
    /// One sentence about it.
    package let help: String
    /// The upper bounds of the buckets, ascending, in the unit that is exposed; of use to a histogram.
    package let buckets: [Double]

    package init(name: String, help: String, buckets: [Double] = []) {
        self.name = name
        self.help = help
        self.buckets = buckets
    }
}
