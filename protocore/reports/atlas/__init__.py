"""An atlas as a static web site, and two atlases compared."""
