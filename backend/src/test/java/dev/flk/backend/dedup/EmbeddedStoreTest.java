// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.dedup;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.flk.backend.dedup.embedded.EmbeddedStore;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

final class EmbeddedStoreTest extends DedupStoreContract {
    @Override
    DedupStore open() {
        return EmbeddedStore.open(directory.resolve("dedup"), this::now);
    }

    @Test
    void closed_isDurableWithItsPosition() {
        put(41, recorded(1, "first"));
        store.close();
        store.close();
        store = open();
        assertThat(get(id(1))).containsExactly(Optional.of(recorded(1, "first")));
        assertThat(connect()).hasValue(41);
    }

    /** A copy of the files shows what a killed process would leave. */
    @Test
    void killed_keepsOutcomesAndPositionTogether() throws IOException {
        put(1, recorded(1, "flushed"));
        store.sync();
        put(2, recorded(2, "not flushed"));
        Path copy = directory.resolve("copy");
        copy(directory.resolve("dedup"), copy);
        try (DedupStore survivor = EmbeddedStore.open(copy, this::now)) {
            assertThat(survivor.connect().toCompletableFuture().join()).hasValue(1);
            assertThat(survivor.get(List.of(id(1), id(2))).toCompletableFuture().join())
                    .containsExactly(Optional.of(recorded(1, "flushed")), Optional.empty());
        }
    }

    @Test
    void position_goesBack() {
        put(50, recorded(1, "first"));
        put(7);
        assertThat(connect()).hasValue(7);
        assertThat(get(id(1))).containsExactly(Optional.of(recorded(1, "first")));
    }

    @Test
    void sweep_removesWhatExpired_roundAndRound() {
        for (int i = 0; i < 100; i++) {
            put(i, recorded(i, "body", nowMillis + (i % 2 == 0 ? 10 : 1_000)));
        }
        EmbeddedStore embedded = (EmbeddedStore) store;
        assertThat(embedded.sweep(1_000)).isZero();
        nowMillis += 10;
        int removed = 0;
        for (int i = 0; i < 6; i++) {
            removed += embedded.sweep(20);
        }
        assertThat(removed).isEqualTo(50);
        assertThat(get(id(1))).isNotEqualTo(List.of(Optional.empty()));
        assertThat(connect()).hasValue(99);
    }

    @Test
    void nativeLibrary_leavesNothingBehind() {
        assertThat(directory.resolve("dedup").resolve("native")).doesNotExist();
    }

    @Test
    void open_directoryInUse_saysWhichAndWhat() {
        assertThatThrownBy(this::open)
                .isInstanceOf(StoreUnavailableException.class)
                .hasMessageContaining("can't open the embedded store in " + directory.resolve("dedup"))
                .hasMessageEndingWith("another process uses it; stop that, or choose another DEDUP_DIR");
    }

    @Test
    void used_afterClose_failsInsteadOfCrashing() {
        store.close();
        assertThat(store.get(List.of(id(1)))).isCompletedExceptionally();
        assertThat(store.putIfAbsent(List.of(recorded(1, "a")), 1)).isCompletedExceptionally();
        store = open();
    }

    private static void copy(Path from, Path to) throws IOException {
        Files.createDirectory(to);
        try (Stream<Path> files = Files.list(from)) {
            for (Path file : files.toList()) {
                Files.copy(file, to.resolve(file.getFileName()));
            }
        }
    }
}
