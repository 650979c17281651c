// SPDX-License-Identifier: Apache-2.0
package dev.flk.http;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.http.BodyBuffer.Taken;
import dev.flk.http.ServerLoad.Bound;
import io.netty.buffer.Unpooled;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class BodyBufferTest {
    private static final int MAX = 1 << 20;

    private final Bound budget = new Bound(MAX);

    @Test
    void append_announcedButNotSent_allocatesLittle() {
        BodyBuffer buffer = new BodyBuffer(MAX, MAX, budget, false);

        buffer.append(Unpooled.wrappedBuffer(new byte[1]));

        assertThat(buffer.heldBytes()).isLessThan(MAX / 10);
    }

    @Test
    void append_overTheLimit_isRefused() {
        BodyBuffer buffer = new BodyBuffer(10, BodyBuffer.UNKNOWN_LENGTH, budget, false);

        assertThat(buffer.append(Unpooled.wrappedBuffer(new byte[10]))).isEqualTo(Taken.YES);
        assertThat(buffer.append(Unpooled.wrappedBuffer(new byte[1]))).isEqualTo(Taken.TOO_LONG);
    }

    @Test
    void append_budgetExhausted_isRefused() {
        BodyBuffer first = new BodyBuffer(MAX, BodyBuffer.UNKNOWN_LENGTH, budget, false);
        BodyBuffer second = new BodyBuffer(MAX, BodyBuffer.UNKNOWN_LENGTH, budget, false);

        assertThat(first.append(Unpooled.wrappedBuffer(new byte[MAX]))).isEqualTo(Taken.YES);
        assertThat(second.append(Unpooled.wrappedBuffer(new byte[1]))).isEqualTo(Taken.NO_MEMORY);
    }

    @Test
    void release_afterGrowth_returnsAllToTheBudget() {
        BodyBuffer buffer = new BodyBuffer(MAX, BodyBuffer.UNKNOWN_LENGTH, budget, false);
        for (int i = 0; i < 100; i++) {
            buffer.append(Unpooled.wrappedBuffer(new byte[1000]));
        }
        buffer.exact();

        buffer.release();

        assertThat(budget.take(MAX)).isTrue();
    }

    /** Appends a body in parts of random sizes. */
    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10})
    void longBody_equalsTheAppendedBytes(long seed) {
        Random random = new Random(seed);
        byte[] body = new byte[random.nextInt(300_000)];
        for (int i = 0; i < body.length; i++) {
            body[i] = (byte) random.nextInt(100);
        }
        Bound plenty = new Bound(Long.MAX_VALUE);
        BodyBuffer buffer = new BodyBuffer(
                body.length, random.nextBoolean() ? body.length : BodyBuffer.UNKNOWN_LENGTH, plenty, false);
        int most = 1 + random.nextInt(200_000);
        for (int from = 0; from < body.length; ) {
            int added = Math.min(body.length - from, 1 + random.nextInt(most));
            assertThat(buffer.append(Unpooled.wrappedBuffer(body, from, added))).isEqualTo(Taken.YES);
            from += added;
        }
        assertThat(plenty.held()).isEqualTo(buffer.heldBytes()).isBetween((long) body.length, 2L * body.length + 4096);
        byte wanted = (byte) random.nextInt(130);
        int from = body.length / 2;
        int place = buffer.indexOf(wanted, from);
        assertThat(place < body.length ? body[place] : wanted).isEqualTo(wanted);
        assertThat(buffer.copy(from, place))
                .isEqualTo(Arrays.copyOfRange(body, from, place))
                .doesNotContain(wanted);
        assertThat(buffer.exact()).isEqualTo(body);
        assertThat(plenty.held()).isEqualTo(body.length);
        buffer.release();
        assertThat(plenty.held()).isZero();
    }
}
