// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.doctor;

import dev.flk.agent.config.AgentConfig;
import dev.flk.agent.follow.Source.Shard;
import dev.flk.agent.follow.SourcesFile;
import dev.flk.agent.outbox.OutboxInspector;
import dev.flk.program.config.InvalidConfig;
import java.io.IOException;
import java.util.Optional;

/** The search for a shard whose certificates an agent signs, so that a probe does not ask for a shard of others. */
final class OwnShard {
    private OwnShard() {}

    /** Returns {@code SHARD_ID}, or the shard of a source or of a certificate in the outbox; empty if none is known. */
    static Optional<String> of(AgentConfig config) {
        return config.shardId().or(() -> ofSource(config)).or(() -> ofOutbox(config));
    }

    private static Optional<String> ofSource(AgentConfig config) {
        if (config.sourcesFile().isEmpty()) {
            return Optional.empty();
        }
        try {
            return SourcesFile.read(config.sourcesFile().get()).stream()
                    .flatMap(source -> source.shard() instanceof Shard.Ids own ? own.ids().stream() : null)
                    .findFirst();
        } catch (InvalidConfig | IOException e) {
            return Optional.empty(); // 'sources check' and the agent's start report the problem
        }
    }

    private static Optional<String> ofOutbox(AgentConfig config) {
        try {
            return new OutboxInspector(config.outbox().directory()).anyShard();
        } catch (IOException e) {
            return Optional.empty(); // another check reports that the outbox can't be read
        }
    }
}
