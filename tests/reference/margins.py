"""A margin and its cells by weighted least squares, and the variances of what comes of it."""

import numpy as np


def least_squares(margins, cells, margin_of, *, margin_variance, cell_variance):
    """Fit the cells to all measurements; margins are sums of the fitted cells.

    Returns both in floats, and the variances of both, from the linear map that the fit is.
    """
    sums = np.array([[float(of == m) for of in margin_of] for m in range(len(margins))])
    design = np.vstack((np.eye(len(cells)), sums))
    variances = np.array([cell_variance] * len(cells) + [margin_variance] * len(margins))
    weights = 1 / np.sqrt(variances)
    scaled = design * weights[:, None]
    fit = np.linalg.lstsq(scaled, np.diag(weights), rcond=None)[0]  # measurements -> cells
    fitted = fit @ np.concatenate((cells, margins))
    of_cells = np.diag(fit @ np.diag(variances) @ fit.T)
    of_margins = np.diag(sums @ fit @ np.diag(variances) @ fit.T @ sums.T)
    return sums @ fitted, fitted, of_margins, of_cells
