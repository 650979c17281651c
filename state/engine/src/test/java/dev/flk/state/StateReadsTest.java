// SPDX-License-Identifier: Apache-2.0
package dev.flk.state;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.flk.state.History.At;
import dev.flk.state.StateException.Reason;
import dev.flk.state.Storage.Reads;
import dev.flk.state.embedded.MemoryStorage;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Function;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Tests that values are read only if their size is accepted. */
class StateReadsTest {
    private static final String VALUE = "\"" + "x".repeat((1 << 20) - 2) + "\"";

    private final MemoryStorage storage = new MemoryStorage(() -> "history", 64 << 20);
    /** The number of reads of values. */
    private final AtomicInteger reads = new AtomicInteger();

    private final EngineHarness state =
            new EngineHarness(() -> CallInterceptor.wrap(Storage.class, (method, arguments) -> {
                if (!method.getName().equals("read")) {
                    return method.invoke(storage, arguments);
                }
                Function<?, ?> reading = (Function<?, ?>) arguments[0];
                return storage.read(real -> counted(reading, real));
            }));

    @SuppressWarnings("unchecked")
    private Object counted(Function<?, ?> reading, Reads real) {
        return ((Function<Reads, ?>) reading).apply(CallInterceptor.wrap(Reads.class, (method, arguments) -> {
            if (method.getName().equals("newest")) {
                reads.incrementAndGet();
            }
            return method.invoke(real, arguments);
        }));
    }

    @AfterEach
    void close() {
        state.close();
    }

    private List<StateKey> written(int count) {
        List<StateKey> keys = IntStream.range(0, count)
                .mapToObj(i -> EngineHarness.key("a", "k" + i))
                .toList();
        keys.forEach(key -> state.apply(state.engine.write(key, VALUE, Operation.ANY_VERSION)));
        reads.set(0);
        return keys;
    }

    @Test
    void get_valuesTooLargeTogether_isRefusedWithoutReadingThem() {
        List<StateKey> keys = written(4);

        assertThatThrownBy(() -> state.engine.reads().get(keys, new At.Now()))
                .isInstanceOf(StateException.class)
                .hasMessageContaining("request fewer keys");

        assertThat(reads).hasValue(0);
    }

    @Test
    void get_noRoomForTheValues_isRefusedWithoutReadingThem() {
        List<StateKey> keys = written(2);
        AtomicLong bytes = new AtomicLong();

        assertThatThrownBy(() -> state.engine.reads().get(keys, new At.Now(), size -> {
                    bytes.set(size);
                    throw Reason.TOO_MANY_TX.because("full");
                }))
                .hasMessage("full");

        assertThat(reads).hasValue(0);
        assertThat(bytes.get()).isBetween(2L * VALUE.length() - 16, 2L * VALUE.length());
    }
}
