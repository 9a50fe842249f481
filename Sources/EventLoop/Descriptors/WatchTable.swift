/// The body for each watched descriptor.
///
/// A descriptor's number is reused as soon as it is closed. Within one batch of events, a body may close
/// descriptor 7 and open another one with the number 7; an event of the old one, still in the batch, must
/// not reach the new one's owner. So every watch has a generation, which goes through epoll with the
/// number, and an event of another generation is dropped.
struct WatchTable {
    private struct Watch {
        var generation: UInt32
        var body: @LoopActor (Readiness) -> Void
    }

    /// The tag of the descriptor that wakes the loop; no descriptor has this number.
    static let wakeTag = UInt64.max

    private var watches: [Watch?] = []
    private var lastGeneration: UInt32 = 0

    /// Adds a body and returns the tag for epoll.
    mutating func add(_ descriptor: Int32, _ body: @escaping @LoopActor (Readiness) -> Void)
        -> UInt64
    {
        lastGeneration &+= 1
        let index = Int(descriptor)
        while watches.count <= index { watches.append(nil) }
        watches[index] = Watch(generation: lastGeneration, body: body)
        return Self.tag(descriptor, lastGeneration)
    }

    /// Forgets a descriptor; false if it was not watched.
    mutating func remove(_ descriptor: Int32) -> Bool {
        guard tag(of: descriptor) != nil else { return false }
        watches[Int(descriptor)] = nil
        return true
    }

    /// The tag under which a descriptor is watched.
    func tag(of descriptor: Int32) -> UInt64? {
        guard watches.indices.contains(Int(descriptor)), let watch = watches[Int(descriptor)]
        else { return nil }
        return Self.tag(descriptor, watch.generation)
    }

    /// The body for an event, if its watch still exists.
    func body(for tag: UInt64) -> (@LoopActor (Readiness) -> Void)? {
        let index = Int(UInt32(truncatingIfNeeded: tag))
        guard watches.indices.contains(index), let watch = watches[index],
            watch.generation == UInt32(truncatingIfNeeded: tag >> 32)
        else { return nil }
        return watch.body
    }

    private static func tag(_ descriptor: Int32, _ generation: UInt32) -> UInt64 {
        UInt64(generation) << 32 | UInt64(UInt32(bitPattern: descriptor))
    }
}
