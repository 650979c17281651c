// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.rows;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.backend.outcomes.record.OutcomeQuery;
import dev.flk.backend.outcomes.record.OutcomeRows;
import dev.flk.backend.outcomes.record.OutcomeRows.Reviewed;
import dev.flk.backend.outcomes.record.OutcomeRows.RowKey;
import dev.flk.backend.outcomes.record.OutcomeRows.Version;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.Objects;
import java.util.stream.Stream;

/** What the classes of 0.1.0 have written, and how its answers were printed. */
final class EarlierFixture {
    private EarlierFixture() {}

    static void unpack(String name, Path into) throws Exception {
        Path packed = Path.of(
                Objects.requireNonNull(EarlierFixture.class.getResource(name)).toURI());
        Process tar = new ProcessBuilder("tar", "-xzf", packed.toString(), "-C", into.toString())
                .inheritIO()
                .start();
        assertThat(tar.waitFor()).isZero();
    }

    /** Returns a line for each row, with its versions and reviews. */
    static List<String> versionsAndReviews(OutcomeRows rows) {
        return Stream.concat(
                        rows.find(OutcomeQuery.ALL.withLimit(1_000)).rows().stream()
                                .map(Version::key),
                        rows.reviewed(null, 1_000).reviews().stream().map(Reviewed::key))
                .distinct()
                .sorted(Comparator.comparing(RowKey::toString))
                .map(key -> rows.versions(key, 100) + " " + rows.reviews(key, 100))
                .toList();
    }
}
