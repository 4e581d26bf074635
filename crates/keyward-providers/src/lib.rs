//! The catalogue of AI providers: origins, credential placement, endpoint classes.
