// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import org.junit.jupiter.api.extension.BeforeAllCallback;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.api.extension.ExtensionContext.Namespace;

/**
 * An extension that uses a file lock to let test classes of several JVMs run concurrently, except classes marked {@link
 * Alone}.
 */
public final class AloneLock implements BeforeAllCallback {
    private static final Path LOCK = Built.root().resolve("e2e/target/alone.lock");

    @Override
    public void beforeAll(ExtensionContext context) throws IOException {
        Files.createDirectories(LOCK.getParent());
        FileChannel channel =
                FileChannel.open(LOCK, StandardOpenOption.CREATE, StandardOpenOption.READ, StandardOpenOption.WRITE);
        boolean alone = context.getRequiredTestClass().isAnnotationPresent(Alone.class);
        var unused = channel.lock(0, Long.MAX_VALUE, !alone);
        // JUnit closes the channel after the test class, which releases the lock
        context.getStore(Namespace.create(AloneLock.class)).put(LOCK, channel);
    }
}
