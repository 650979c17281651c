// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.sessions;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.backend.state.MemoryEngine;
import dev.flk.state.StateEngine;
import java.time.Duration;
import java.time.InstantSource;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Tests of sessions in an in-memory state. */
final class StateSessionsTest extends SessionStorageContract {
    private final InstantSource clock = InstantSource.system();
    private final StateEngine engine = MemoryEngine.started(clock);

    @Override
    protected SessionStorage storage() {
        return new StateSessions(engine, Duration.ofHours(1), clock);
    }

    @Override
    protected SessionStorage other() {
        return storage();
    }

    @Override
    protected SessionStorage shortLived() {
        return new StateSessions(engine, Duration.ofSeconds(1), clock);
    }

    @Test
    void put_closedEngine_isRefused() {
        SessionStorage storage = storage();
        engine.close();

        assertThat(storage.put("a", "{}", SessionStorage.ANY_VERSION))
                .failsWithin(Duration.ofSeconds(60))
                .withThrowableThat()
                .withMessageContaining("the state engine is closed");
    }

    @AfterEach
    void close() {
        engine.close();
    }
}
