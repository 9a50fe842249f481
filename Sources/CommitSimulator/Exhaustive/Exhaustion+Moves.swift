internal import CommitProtocol

/// The possible moves in a state, with the number of faults that each costs.
extension Exhaustion {
    func moves(of state: Simulation) -> [(move: Move, price: Int)] {
        var moves: [(move: Move, price: Int)] = []
        for message in state.messages {
            moves.append((.process(message, .done), 0))
            if message.incarnation == nil {
                moves.append((.process(message, .lost), 0))
                continue
            }
            let commitModes = state.setting.commitModes
            for fate in Fate.faulty(message.content, { commitModes[$0] }) {
                moves.append((.process(message, fate), 1))
            }
        }
        for incarnation in state.incarnations {
            for armed in incarnation.timers {
                let isBound = armed.timer == .deadline || armed.timer == .finishWait
                moves.append((.fire(armed, incarnation: incarnation.number), isBound ? 1 : 0))
            }
            moves.append((.apply(.crash(incarnation: incarnation.number)), 1))
        }
        addLostReplies(of: state, &moves)
        if state.incarnationCount < incarnationsMax, state.world.row != nil {
            if !state.incarnations.isEmpty { moves.append((.apply(.takeOver), 1)) }
        }
        if state.world.row != nil { moves.append((.apply(.deadlineElsewhere), 1)) }
        if state.world.row?.isReplicated == false || state.world.row?.isFinishReplicated == false {
            moves.append((.apply(.failOver(losesRow: false)), 1))
        }
        // Another replica's scan may find a branch whose row does not exist yet.
        let isRowless = state.world.row == nil && !state.listed().isEmpty
        if isRowless, !state.incarnations.isEmpty { moves.append((.pass, 1)) }
        if moves.allSatisfy({ $0.price > 0 }), state.incarnations.isEmpty {
            moves.append((.pass, 0))
        }
        addQuestions(of: state, &moves)
        return moves
    }

    /// Adds the status requests, which are possible at any time.
    private func addQuestions(
        of state: Simulation, _ moves: inout [(move: Move, price: Int)]
    ) {
        for incarnation in state.incarnations {
            moves.append((.apply(.readStatus(incarnation: incarnation.number)), 0))
        }
        moves.append(
            (.apply(state.observer == nil ? .readStatus(incarnation: nil) : .continueReading), 0))
    }

    private func addLostReplies(
        of state: Simulation, _ moves: inout [(move: Move, price: Int)]
    ) {
        for (branch, site) in state.world.sites.enumerated() {
            switch site.session {
            case .workReplyLost, .commitReplyLost:
                moves.append((.apply(.runLostSession(branch: branch)), 0))
                moves.append((.apply(.endSession(branch: branch)), 0))
            case .holds where state.index(of: 0) == nil:
                moves.append((.apply(.endSession(branch: branch)), 0))
            case .none, .holds, .gone: break
            }
        }
    }
}
