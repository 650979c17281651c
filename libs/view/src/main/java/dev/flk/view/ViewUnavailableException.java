// SPDX-License-Identifier: Apache-2.0
package dev.flk.view;

import org.jspecify.annotations.Nullable;

/** The failure of a call to a view. The message names the view and the problem. */
public final class ViewUnavailableException extends RuntimeException {
    private static final long serialVersionUID = 1;

    ViewUnavailableException(String message, @Nullable Throwable cause) {
        super(message, cause);
    }
}
