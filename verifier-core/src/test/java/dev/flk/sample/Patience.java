// SPDX-License-Identifier: Apache-2.0
package dev.flk.sample;

import java.time.Duration;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.extension.BeforeAllCallback;
import org.junit.jupiter.api.extension.ExtensionContext;

/**
 * An extension that gives each await of a test a minute: the ten seconds that are the default can pass on a busy machine
 * without a bug. It applies to each module that has the tests of this module on its class path.
 */
public final class Patience implements BeforeAllCallback {
    @Override
    public void beforeAll(ExtensionContext context) {
        Awaitility.setDefaultTimeout(Duration.ofMinutes(1));
    }
}
