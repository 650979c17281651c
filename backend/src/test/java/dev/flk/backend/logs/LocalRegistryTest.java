// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.logs;

final class LocalRegistryTest extends LogRegistryContract {
    @Override
    LogRegistry open() {
        return LogRegistry.ofOneBackend();
    }
}
