// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.http;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.backend.http.BodyBuffer.Taken;
import io.netty.buffer.Unpooled;
import org.junit.jupiter.api.Test;

class BodyBufferTest {
    private static final int MAX = 1 << 20;

    private final Bound budget = new Bound(MAX);

    @Test
    void append_partsOfADeclaredBody_endInAnArrayOfItsSize() {
        BodyBuffer buffer = new BodyBuffer(MAX, 5, budget);

        buffer.append(Unpooled.wrappedBuffer(new byte[] {1, 2}));
        buffer.append(Unpooled.wrappedBuffer(new byte[] {3, 4, 5}));

        assertThat(buffer.exact()).containsExactly(1, 2, 3, 4, 5);
    }

    @Test
    void append_announcedButNotSent_takesLittle() {
        BodyBuffer buffer = new BodyBuffer(MAX, MAX, budget);

        buffer.append(Unpooled.wrappedBuffer(new byte[1]));

        assertThat(buffer.heldBytes()).isLessThan(MAX / 10);
    }

    @Test
    void append_overTheLimit_isTooLong() {
        BodyBuffer buffer = new BodyBuffer(10, BodyBuffer.UNKNOWN_LENGTH, budget);

        assertThat(buffer.append(Unpooled.wrappedBuffer(new byte[10]))).isEqualTo(Taken.YES);
        assertThat(buffer.append(Unpooled.wrappedBuffer(new byte[1]))).isEqualTo(Taken.TOO_LONG);
    }

    @Test
    void append_budgetUsedUp_hasNoMemory() {
        BodyBuffer first = new BodyBuffer(MAX, BodyBuffer.UNKNOWN_LENGTH, budget);
        BodyBuffer second = new BodyBuffer(MAX, BodyBuffer.UNKNOWN_LENGTH, budget);

        assertThat(first.append(Unpooled.wrappedBuffer(new byte[MAX]))).isEqualTo(Taken.YES);
        assertThat(second.append(Unpooled.wrappedBuffer(new byte[1]))).isEqualTo(Taken.NO_MEMORY);
    }

    @Test
    void release_afterGrowth_givesAllBackToTheBudget() {
        BodyBuffer buffer = new BodyBuffer(MAX, BodyBuffer.UNKNOWN_LENGTH, budget);
        for (int i = 0; i < 100; i++) {
            buffer.append(Unpooled.wrappedBuffer(new byte[1000]));
        }
        buffer.exact();

        buffer.release();

        assertThat(budget.take(MAX)).isTrue();
    }
}
