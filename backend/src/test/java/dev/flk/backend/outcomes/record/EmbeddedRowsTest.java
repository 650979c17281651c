// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.record;

import dev.flk.backend.outcomes.embedded.EmbeddedStore;
import dev.flk.view.RocksView;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.io.TempDir;

/** Tests of {@link EmbeddedRows}. */
class EmbeddedRowsTest extends OutcomeRowsContract {
    @TempDir
    private Path directory;

    private final Map<String, RocksView> views = new HashMap<>();

    @Override
    protected OutcomeRows open(String name) {
        RocksView before = views.remove(name);
        if (before != null) {
            before.close();
        }
        RocksView view = EmbeddedStore.openView(directory.resolve(name), 0, System::nanoTime, () -> {});
        views.put(name, view);
        EmbeddedRows rows = new EmbeddedRows(view, new Random());
        rows.reopen();
        return rows;
    }

    @Override
    protected boolean isDurableAtOnce() {
        return true;
    }

    @AfterEach
    void closeViews() {
        views.values().forEach(RocksView::close);
    }
}
